// The agent as sidecar of an App Service app that exists, on Linux. The main container, the app's settings and its identities stay as they
// are: nothing here writes them (a resource 'appsettings' would replace all settings of the app).
targetScope = 'resourceGroup'

@description('Name of the web app, in the resource group of this deployment.')
param appName string

@description('Image of the agent with the configuration inside, built from the Dockerfile beside this file.')
param image string

@description('Container registry in the same resource group that the app may pull from. Empty: the image is public, or the right is there already.')
param registryName string = ''

@description('How the image is pulled: by the identity of the app itself, by a user-assigned one, or by nobody.')
@allowed([
  'SystemIdentity'
  'UserAssigned'
  'Anonymous'
])
param pullAs string = 'SystemIdentity'

@description('With UserAssigned: client id of the identity that pulls.')
param pullClientId string = ''

@description('App settings that the agent is to see, by name. Identity variables come from the platform and need not be named.')
param settings array = []

@description('Port of the agent; unique among the containers of the app, which share one network.')
param port int = 9745

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: appName
}

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = if (!empty(registryName)) {
  name: empty(registryName) ? 'none' : registryName
}

// AcrPull, and nothing more, for the app's own identity.
resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(registryName) && pullAs == 'SystemIdentity') {
  name: guid(resourceGroup().id, appName, registryName, 'AcrPull')
  scope: registry
  properties: {
    principalId: app.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')
  }
}

resource agent 'Microsoft.Web/sites/sitecontainers@2024-11-01' = {
  parent: app
  name: 'agent'
  dependsOn: [
    pull
  ]
  properties: {
    image: image
    isMain: false
    targetPort: string(port)
    authType: pullAs
    userManagedIdentityClientId: pullAs == 'UserAssigned' ? pullClientId : null
    // The agent sees the settings it needs and no others; the value of each is the name of an app setting, which the platform looks up.
    inheritAppSettingsAndConnectionStrings: false
    environmentVariables: [for setting in settings: {
      name: setting
      value: setting
    }]
    // No volume: storage that lasts does not exist for sidecars. History goes with the container, and the agent says so.
  }
}

output containerId string = agent.id
